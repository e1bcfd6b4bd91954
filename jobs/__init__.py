"""The jobs, started by ``spark-submit``, ``python -m`` or from a notebook."""

from importlib.util import find_spec

if missing := [name for name in ("pyspark", "pandas", "deltalake") if find_spec(name) is None]:
    raise ModuleNotFoundError(f"the jobs need {', '.join(missing)}: pip install 'spark-transcribe[spark]'")
