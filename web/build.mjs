// build.mjs SOURCE DIST VERSION: bundles the page. Run by CMake in a directory with node_modules.
import { build } from 'esbuild';
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const [source, dist, version] = process.argv.slice(2);
const here = process.cwd();

const licence = async (name, title) =>
    `The page contains ${title}:\n\n${await readFile(join(here, 'node_modules', name, 'LICENSE'), 'utf8')}\n`;

// Both languages are written in Latin-1: the typeface's other alphabets stay out.
const latinOnly = {
    name: 'latin-only',
    setup({ onLoad }) {
        onLoad({ filter: /inter\/wght\.css$/ }, async ({ path }) => {
            const faces = (await readFile(path, 'utf8')).split(/(?=@font-face)/);
            return { loader: 'css', contents: faces.filter((face) => face.includes('inter-latin-wght-normal.woff2')).join('') };
        });
    },
};

await rm(dist, { recursive: true, force: true });
await mkdir(dist, { recursive: true });
await build({
    entryPoints: { app: join(source, 'main.js') },
    outdir: dist,
    bundle: true,
    minify: true,
    format: 'esm',
    target: ['chrome100', 'firefox100', 'safari15.4'],
    define: { __VERSION__: JSON.stringify(version) },
    nodePaths: [join(here, 'node_modules')],
    legalComments: 'none',
    loader: { '.woff2': 'file' },
    assetNames: '[name]',
    plugins: [latinOnly],
    logLevel: 'warning',
});
for (const file of ['icon.svg', 'app.webmanifest'])
    await cp(join(source, file), join(dist, file));
await writeFile(join(dist, 'licenses.txt'),
    await licence('uplot', 'uPlot') + await licence('@fontsource-variable/inter', 'the typeface Inter'));
// The last, as the build waits for it.
await cp(join(source, 'index.html'), join(dist, 'index.html'));
