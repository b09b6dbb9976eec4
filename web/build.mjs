// Builds the map page's bundle: `npm ci && npm run build`, or `npm run build -- FOLDER`.
import { build } from "esbuild";
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const output = process.argv[2] ?? join(here, "../groundshift/products/page/static");

await mkdir(output, { recursive: true });
const result = await build({
  entryPoints: [join(here, "src/page.js"), join(here, "src/page.css")],
  outdir: output,
  absWorkingDir: here,
  bundle: true,
  minify: true,
  format: "iife",
  target: ["chrome100", "firefox113", "safari16.4"],
  legalComments: "none", // they stand in licences.txt
  charset: "ascii",
  metafile: true,
});
await copyFile(join(here, "src/index.html"), join(output, "index.html"));

// The licence of every package whose code is in the bundle.
const packages = new Set();
for (const { inputs } of Object.values(result.metafile.outputs)) {
  for (const [path, { bytesInOutput }] of Object.entries(inputs)) {
    const found = path.match(/node_modules\/((?:@[^/]+\/)?[^/]+)/);
    if (found && bytesInOutput > 0) packages.add(found[1]);
  }
}
const texts = [];
for (const name of [...packages].sort()) {
  const folder = join(here, "node_modules", name);
  const { version } = JSON.parse(await readFile(join(folder, "package.json")));
  const licence = ["LICENSE.md", "LICENSE", "LICENCE", "license"];
  let text;
  for (const file of licence) text ??= await readFile(join(folder, file), "utf8").catch(() => undefined);
  if (!text) throw new Error(`${name}: no licence file`);
  texts.push(`${name} ${version}\n\n${text.trim()}\n`);
}
await writeFile(join(output, "licences.txt"), texts.join(`\n${"-".repeat(80)}\n\n`));
