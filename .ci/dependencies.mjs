/**
 * Checks both lockfiles, the service's and that of the packages below src/clients, against the rules for dependencies: only packages from the registry, each with its hash; only licences
 * that require no more than their text; no new package that runs code at installation.
 * `node .ci/dependencies.mjs` prints each violation, and exits with 1 if there are any.
 */
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const REGISTRY = 'https://registry.npmjs.org/';
const LICENCES = new Set([
  '0BSD',
  'Apache-2.0',
  'BlueOak-1.0.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'CC0-1.0',
  'ISC',
  'MIT',
  'PostgreSQL',
  'Unlicense',
]);
/** Reviewed packages that run code at installation. Both work without it, and the image is built without it. */
const RUN_AT_INSTALLATION = new Set(['koffi', 'protobufjs']);

/**
 * @param lockfile package-lock.json, parsed; one of workspaces has them as well, each as what it is and as a link to it
 * @returns a sentence for each violation
 */
export function problemsOf(lockfile) {
  if (lockfile.lockfileVersion !== 3)
    return [`package-lock.json: version ${lockfile.lockfileVersion}, and only 3 is understood`];
  const workspaces = lockfile.packages['']?.workspaces ?? [];
  return Object.entries(lockfile.packages).flatMap(([path, entry]) => {
    if (path === '' || workspaces.includes(path)) return ranges(entry);
    if (entry.link === true && workspaces.includes(entry.resolved)) return [];
    return packaged(path, entry);
  });
}

/** Checks that each version is exact, so that what is built is what was reviewed. */
function ranges({ dependencies = {}, devDependencies = {}, optionalDependencies = {} }) {
  return Object.entries({ ...dependencies, ...devDependencies, ...optionalDependencies })
    .filter(([, version]) => !/^(npm:[\w@./-]+@)?\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))
    .map(([name, version]) => `${name}: "${version}" is not an exact version`);
}

function packaged(path, { version, resolved, integrity, link, license, dev, hasInstallScript }) {
  const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
  const problem = (why) => [`${name}@${version}: ${why}`];
  return [
    ...(link === true || !path.includes('node_modules/') ? problem('is not of the registry') : []),
    // Without an address in the lockfile, the package comes from the configured registry.
    ...(resolved === undefined || resolved.startsWith(REGISTRY) ? [] : problem(`comes from ${resolved}`)),
    ...(/^sha512-[A-Za-z0-9+/]{86}==$/.test(integrity ?? '') ? [] : problem('has no SHA-512 hash')),
    ...(dev === true || allowed(license) ? [] : problem(`licence ${license ?? 'none'} is not on the list`)),
    ...(hasInstallScript === true && !RUN_AT_INSTALLATION.has(name) ? problem('runs code when it is installed') : []),
  ];
}

/** Evaluates an SPDX expression: all parts of an AND must be allowed, and one part of an OR. AND binds closer. */
export function allowed(expression) {
  if (typeof expression !== 'string') return false;
  const tokens = expression.match(/\(|\)|[^\s()]+/g) ?? [];
  let at = 0;
  const either = () => {
    let holds = both();
    while (tokens[at] === 'OR') {
      at += 1;
      holds = both() || holds;
    }
    return holds;
  };
  const both = () => {
    let holds = one();
    while (tokens[at] === 'AND') {
      at += 1;
      holds = one() && holds;
    }
    return holds;
  };
  const one = () => {
    const token = tokens[at];
    at += 1;
    if (token !== '(') return LICENCES.has(token);
    const holds = either();
    at += 1;
    return holds && tokens[at - 1] === ')';
  };
  return either() && at === tokens.length;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const lockfiles = ['package-lock.json', 'src/clients/package-lock.json'];
  const problems = lockfiles.flatMap((path) => problemsOf(JSON.parse(readFileSync(path, 'utf8'))));
  for (const problem of problems) process.stderr.write(`${problem}\n`);
  process.exitCode = problems.length === 0 ? 0 : 1;
}
