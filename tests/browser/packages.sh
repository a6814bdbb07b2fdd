# shellcheck shell=bash disable=SC2154
# Installs what package.json beside this names under target/browser, once; sets `installed`. To be sourced: needs $top and missing().
installed=$top/target/browser
if ! cmp -s "$top/tests/browser/package.json" "$installed/package.json" || [ ! -d "$installed/node_modules/altcha-lib" ]; then
  rm -rf "$installed"
  mkdir -p "$installed"
  cp "$top/tests/browser/package.json" "$installed/package.json"
  # The browser is the system's own: nothing is downloaded but the packages.
  (cd "$installed" && PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm install --no-audit --no-fund --loglevel=error >/dev/null) ||
    { rm -rf "$installed"; missing "the npm packages of tests/browser/package.json (no network?)"; }
fi
