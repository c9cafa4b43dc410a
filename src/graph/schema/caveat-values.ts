/**
 * Reads the addresses among the values that caveats are given, by the declared types of their parameters. SpiceDB takes
 * `::ffff:10.0.0.1` for another address than `10.0.0.1`, so that no IPv4 network holds it; policies take both for one.
 */
import { isDeepStrictEqual } from 'node:util';
import { didYouMean } from '../../diagnostics/suggest.js';
import { BadRequest } from '../../model/faults.js';
import { findCaveatTypeProblem, type CaveatParameter, type CaveatType } from './caveat-value-types.js';
import { readAddressRange } from '../../runtime/ip-address.js';

type ReadAddress = (text: unknown, path: string) => unknown;

/**
 * Reads a value of the request for the parameters of one name, of whatever caveats.
 * @returns the value, with each IPv4 address within IPv6 as the IPv4 address that it stands for
 * @throws BadRequest where a text that is to be an address is none, or can't be read for all of the types alike
 */
export function readCaveatValue(types: readonly CaveatType[], value: unknown, path: string): unknown {
  const [reading = value, ...others] = types.map((type) => mapAddresses(type, value, path, readAddress));
  if (others.every((other) => isDeepStrictEqual(other, reading))) return reading;
  throw new BadRequest('must have its IPv4 addresses in their own notation: to one caveat it is no address', path);
}

/**
 * Finds what is wrong with the context of a caveat that is to be stored: a name that isn't declared, a value of another
 * type, an address that isn't written as addresses are read. Undefined where nothing is.
 */
export function findCaveatContextProblem(
  parameters: readonly CaveatParameter[],
  context: Readonly<Record<string, unknown>>,
): string | undefined {
  const problem = findContextProblem(parameters, context);
  return problem === undefined ? undefined : `has a caveat whose context is not acceptable: ${problem}`;
}

function findContextProblem(
  parameters: readonly CaveatParameter[],
  context: Readonly<Record<string, unknown>>,
): string | undefined {
  const names = parameters.map(({ name }) => name);
  const unknownName = Object.keys(context).find((name) => !names.includes(name));
  if (unknownName !== undefined) return `${unknownName} is no parameter of the caveat${didYouMean(unknownName, names)}`;
  try {
    for (const { name, type } of parameters) {
      if (!Object.hasOwn(context, name)) continue;
      const problem = findCaveatTypeProblem(type, context[name], name);
      if (problem !== undefined) return problem;
      mapAddresses(type, context[name], name, requireReadAddress);
    }
    return undefined;
  } catch (error) {
    if (error instanceof BadRequest) return `${error.at} ${error.message}`;
    throw error;
  }
}

/** The value with each address replaced; a value of another shape than its type has is left for SpiceDB to refuse. */
function mapAddresses(type: CaveatType, value: unknown, path: string, read: ReadAddress): unknown {
  if (value === null || !holdsAddress(type)) return value;
  if (type.name === 'ipaddress') return read(value, path);
  const element = type.generics.at(-1);
  if (element === undefined || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map((item, i) => mapAddresses(element, item, `${path}[${i}]`, read));
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, mapAddresses(element, item, `${path}.${key}`, read)]),
  );
}

function holdsAddress(type: CaveatType): boolean {
  return type.name === 'ipaddress' || type.generics.some(holdsAddress);
}

function readAddress(text: unknown, path: string): string {
  const address = typeof text === 'string' && !text.includes('/') ? readAddressRange(text) : undefined;
  if (address === undefined) throw new BadRequest('must be an IP address such as "10.0.0.1"', path);
  return address;
}

function requireReadAddress(text: unknown, path: string): string {
  const address = readAddress(text, path);
  if (address !== text) throw new BadRequest(`must be written as the IPv4 address "${address}"`, path);
  return address;
}
