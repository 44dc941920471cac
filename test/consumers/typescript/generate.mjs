// Writes src/events.ts from the JSON Schemas of treble-bridge: "npm run generate".
// It reads those of this repository, or those in the folder that is given:
// "treble-bridge schema <kind>" prints them.
import { compile } from "json-schema-to-typescript";
import { createHash } from "node:crypto";
import { readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const folder = process.argv[2] ?? join(here, "../../../schema/jsonschema");

// One schema of all kinds, with the definitions of all.
const all = { description: "An event of a kind that these types know; type tells which.", oneOf: [], $defs: {} };
const types = [];
const hash = createHash("sha256"); // tells whether the types are current, without running this

for (const file of (await readdir(folder)).sort()) {
  if (file === "envelope.json") continue; // holds for kinds that are not known; see src/envelope.ts
  const text = await readFile(join(folder, file), "utf8");
  hash.update(text);
  const { $schema, $id, $defs, ...event } = JSON.parse(text, loosen);
  for (const [name, definition] of Object.entries($defs)) {
    const same = JSON.stringify(all.$defs[name] ?? definition) === JSON.stringify(definition);
    if (!same) throw new Error(`${file}: ${name} is another one in a file before`);
    all.$defs[name] = definition;
  }
  all.oneOf.push(event);
  types.push(event.properties.type.const);
}

// What the generator would make too much or too little of.
function loosen(key, value) {
  if (key === "raw") return { ...value, additionalProperties: true }; // whatever Treble sent
  if (value?.$ref) return { $ref: value.$ref }; // with a description of its own it would become a second type
  return value;
}

const declarations = await compile(all, "TrebleEvent", {
  additionalProperties: false, // fields that come later are not for code that is written now
  bannerComment: `// Written by "npm run generate" from the JSON Schemas of treble-bridge. Do not edit.
// schemas: sha256 ${hash.digest("hex")}`,
  printWidth: 120,
});
const list = `
/** The types that TrebleEvent knows. A later version of the bridge may publish others. */
export const knownTypes: ReadonlySet<string> = new Set<TrebleEvent["type"]>([
${types.map((type) => `  ${JSON.stringify(type)},`).join("\n")}
]);
`;
await writeFile(join(here, "src/events.ts"), declarations + list);
