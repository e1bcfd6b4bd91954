"""What pyproject.toml cannot say: ``conf/`` travels inside the wheel, as the data of ``transcribe/conf``."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["transcribe*", "udfs*", "jobs*"]), "transcribe.conf"],
    package_dir={"transcribe.conf": "conf"},
    package_data={
        "transcribe.conf": ["*.yaml", "*.properties", "models/*.yaml", "fleet/*.yaml"],
        "transcribe.pages": ["*.j2", "*.css"],
    },
)
