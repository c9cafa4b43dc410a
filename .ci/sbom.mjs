/**
 * Prints what Remit is made of when it runs, as CycloneDX: npm's own list of what is installed, without what makes two
 * runs differ. `node .ci/sbom.mjs >sbom.cdx.json`
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const { name } = JSON.parse(readFileSync('package.json', 'utf8'));
const text = execFileSync('npm', ['sbom', '--omit=dev', '--sbom-format=cyclonedx', '--sbom-type=application'], {
  encoding: 'utf8',
  stdio: ['ignore', 'pipe', 'inherit'],
  maxBuffer: 64 * 1024 * 1024,
});
const { serialNumber: _serial, ...bom } = JSON.parse(text);
delete bom.metadata.timestamp;
// npm calls the root by its directory.
bom.metadata.component.name = name;
process.stdout.write(`${JSON.stringify(bom, undefined, 2)}\n`);
