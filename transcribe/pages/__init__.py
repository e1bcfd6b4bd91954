"""Pages that people look at: self-contained HTML, light and dark, without network."""
