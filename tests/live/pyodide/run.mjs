// Runs pytest on CPython compiled to WebAssembly: node run.mjs SITE REPOSITORY ARGUMENT...
import { loadPyodide } from "pyodide";

const [site, repository, ...args] = process.argv.slice(2);
const python = await loadPyodide({ env: { HOME: "/tmp" } });
for (const [inside, outside] of [["/site", site], ["/repository", repository]]) {
  python.FS.mkdirTree(inside);
  python.mountNodeFS(inside, outside);
}
const status = python.runPython(`
import os, sys
sys.path[:0] = ["/site", "/repository", "/repository/tests"]
sys.dont_write_bytecode = True
os.chdir("/repository")
print(sys.version)
import pytest
int(pytest.main(${JSON.stringify(args)}))
`);
process.exit(status);
