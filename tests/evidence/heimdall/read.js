// Reads an HDF file as Heimdall does and prints, by profile and control, the status that it shows.
// inspecjs casts every value to the types that were generated from exec-json.json, and throws where one does not fit.
const fs = require("fs");
const {Convert} = require("inspecjs/lib/generated_parsers/v_1_0/exec-json");
const {contextualizeEvaluation} = require("inspecjs");

const evaluation = contextualizeEvaluation(Convert.toExecJSON(fs.readFileSync(process.argv[2], "utf-8")));
const shown = {};
for (const profile of evaluation.contains) {
  shown[profile.data.name] = Object.fromEntries(
    profile.contains.map((control) => [
      control.data.id,
      {status: control.hdf.status, severity: control.hdf.severity, nist: control.hdf.rawNistTags},
    ]),
  );
}
console.log(JSON.stringify(shown));
