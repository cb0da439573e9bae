// Builds the page into `dist/`, or into the folder given. The same sources and lock file give the same bytes.
import { build } from "esbuild";
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";

// The licences of what is bundled want to be with it.
const notices = await Promise.all(["preact", "@preact/signals"].map(async (name) => {
  const text = await readFile(`node_modules/${name}/LICENSE`, "utf8");
  return `${name}\n\n${text.trim()}`;
}));

const out = process.argv[2] ?? "dist";
await mkdir(out, { recursive: true });
await build({
  entryPoints: { app: "src/main.tsx", style: "src/style.css" },
  outdir: out,
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  jsx: "automatic",
  jsxImportSource: "preact",
  charset: "utf8",
  legalComments: "none",
  banner: { js: `/*\n${notices.join("\n\n")}\n*/` },
  logLevel: "warning",
});
await copyFile("src/index.html", `${out}/index.html`);
await copyFile("src/icon.svg", `${out}/icon.svg`);
// A template literal may end a line with a space, which the repository's check forbids.
for (const name of ["app.js", "style.css"]) {
  const text = await readFile(`${out}/${name}`, "utf8");
  await writeFile(`${out}/${name}`, text.replace(/[ \t]+$/gm, "").replace(/\n*$/, "\n"));
}
