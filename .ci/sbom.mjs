/**
 * Prints Remit's bill of materials in CycloneDX format: npm's own list of installed packages, without build dependencies
 * and without anything that differs between two runs. `node .ci/sbom.mjs >sbom.cdx.json`
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const read = (file) => JSON.parse(readFileSync(file, 'utf8'));
const { name } = read('package.json');
// `--omit=dev` also leaves out packages that are needed both to run and to build, so use the lockfile instead.
const runs = new Set(
  Object.entries(read('package-lock.json').packages)
    .filter(([, { dev }]) => dev !== true)
    .map(
      ([path, entry]) => `${path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)}@${entry.version}`,
    ),
);
const text = execFileSync('npm', ['sbom', '--sbom-format=cyclonedx', '--sbom-type=application'], {
  encoding: 'utf8',
  stdio: ['ignore', 'pipe', 'inherit'],
  maxBuffer: 64 * 1024 * 1024,
});
const { serialNumber: _serial, metadata, components, dependencies, ...bom } = JSON.parse(text);
delete metadata.timestamp;
// npm names the root after its directory.
metadata.component.name = name;
const root = metadata.component['bom-ref'];
const kept = components.filter((one) => runs.has(`${one.name}@${one.version}`));
const refs = new Set([root, ...kept.map((one) => one['bom-ref'])]);
const needs = dependencies
  .filter(({ ref }) => refs.has(ref))
  .map(({ ref, dependsOn = [] }) => ({ ref, dependsOn: dependsOn.filter((on) => refs.has(on)) }));
process.stdout.write(`${JSON.stringify({ ...bom, metadata, components: kept, dependencies: needs }, undefined, 2)}\n`);
