# shellcheck shell=bash disable=SC2154
# Installs what package.json beside this names under target/browser, once; sets `installed`, and puts the Node that it names first on the path.
# To be sourced: needs $top and missing().
installed=$top/target/browser
if ! cmp -s "$top/tests/browser/package.json" "$installed/package.json" || [ ! -d "$installed/node_modules/altcha-lib" ]; then
  rm -rf "$installed"
  mkdir -p "$installed"
  cp "$top/tests/browser/package.json" "$installed/package.json"
  # The browser is the system's own: nothing is downloaded but the packages.
  (cd "$installed" && PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm install --no-audit --no-fund --loglevel=error >/dev/null) ||
    { rm -rf "$installed"; missing "the npm packages of tests/browser/package.json (no network?)"; }
fi
export PATH=$installed/node_modules/.bin:$PATH
node -e 'process.exit(Number(process.versions.node.split(".")[0]) < 20 ? 1 : 0)' || missing "Node 20 or newer: npm did not run the install script of its package node"
