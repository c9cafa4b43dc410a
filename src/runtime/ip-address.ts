/**
 * Facts about IP addresses, by `ipaddr.js`: policies, the configuration, the rate limiter and the fetching of issuers' keys
 * ask for them. Only the usual notation is an address: the library also reads `127.1` and `0x7f000001`.
 */
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

type IpAddress = ReturnType<typeof ipaddr.parse>;

/** Reads an address without its zone; undefined where the text is no address. */
function parseIpAddress(text: string): IpAddress | undefined {
  if (isIP(text) === 0) return undefined;
  if (isIP(text) === 4) return ipaddr.parse(text);
  // In hexadecimal: the library takes `::1.1.1.1` for `::ffff:1.1.1.1`, which is another address.
  return ipaddr.parse(new URL(`http://[${text.replace(/%.*$/, '')}]`).hostname.slice(1, -1));
}

/** The IPv4 address that an IPv6 address stands for (`::ffff:10.0.0.1`), and any other address itself. */
function unmapAddress(address: IpAddress): IpAddress {
  return address.kind() === 'ipv6' && (address as ipaddr.IPv6).isIPv4MappedAddress()
    ? (address as ipaddr.IPv6).toIPv4Address()
    : address;
}

/** Whether a host, as a name or as an address with or without brackets, is this machine itself. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || parseIpAddress(host.replace(/^\[|\]$/g, ''))?.range() === 'loopback';
}

/** Addresses that hold an IPv4 address in a way that the library counts as public (RFC 4291 section 2.5.5.1). */
const IPV4_COMPATIBLE = ipaddr.parseCIDR('::/96');

/** Whether an address may be connected to as one of the internet: it belongs to no special range, such as private ones. */
export function isPublicAddress(text: string): boolean {
  return findAddressProblem(text, 'public') === undefined;
}

/** The addresses that may be connected to: those of the internet, or those of private networks and this machine, too. */
export type Network = 'public' | 'private';

const PRIVATE_RANGES: readonly string[] = ['private', 'uniqueLocal', 'carrierGradeNat', 'loopback'];
/** Addresses outside of link-local ranges at which clouds tell a machine its secrets. */
const METADATA_ADDRESSES = ['168.63.129.16', '100.100.100.200', 'fd00:ec2::254', 'fd20:ce::254'].map((text) =>
  ipaddr.parse(text).toNormalizedString(),
);

/**
 * Says why an address must not be connected to, as the rest of a sentence; undefined where it may. Link-local addresses,
 * those of a cloud's metadata, multicast and ways round by another protocol are none on a private network either.
 */
export function findAddressProblem(text: string, network: Network): string | undefined {
  const address = parseIpAddress(text);
  if (address === undefined) return 'is no address';
  const target = unmapAddress(address);
  const range = target.range();
  if (METADATA_ADDRESSES.includes(target.toNormalizedString())) return 'is an address of a cloud’s metadata';
  if (PRIVATE_RANGES.includes(range)) return network === 'private' ? undefined : 'is a private address';
  const isOrdinary = range === 'unicast' && (target.kind() === 'ipv4' || !target.match(IPV4_COMPATIBLE));
  return isOrdinary ? undefined : 'is an address of a special range';
}

const IPV4_MAPPED_BITS = 96;

/** Whether another reader may take an IPv6 address for an IPv4 one: written with dots, or "IPv4-compatible" (`::a01:203`). */
function mayStandForIpv4(text: string, address: IpAddress): boolean {
  const isCompatible =
    address.match(IPV4_COMPATIBLE) && address.range() !== 'loopback' && address.range() !== 'unspecified';
  return text.includes('.') || isCompatible;
}

/**
 * Reads an address or range (`10.0.0.0/8`). An IPv4 address within IPv6 (`::ffff:a00:1`, RFC 4291 section 2.5.5.2) is
 * returned as the IPv4 address that it stands for, so that no rule about one spelling misses the other; any other text
 * is returned as it is.
 * @returns undefined where the text is neither, or another reader could take it for another: with a zone, with a range
 * that is only partly IPv4, or with an IPv4 address in any other part of IPv6, such as `::10.1.2.3` in whatever spelling
 */
export function readAddressRange(text: string): string | undefined {
  const [, base = '', prefix] = /^([\da-fA-F.:]+)(?:\/(0|[1-9]\d{0,2}))?$/.exec(text) ?? [];
  const address = parseIpAddress(base);
  if (address === undefined || Number(prefix ?? 0) > (address.kind() === 'ipv4' ? 32 : 128)) return undefined;
  const target = unmapAddress(address);
  if (target === address) return address.kind() === 'ipv6' && mayStandForIpv4(base, address) ? undefined : text;
  if (prefix === undefined) return target.toString();
  const bits = Number(prefix) - IPV4_MAPPED_BITS;
  return bits < 0 ? undefined : `${target.toString()}/${bits}`;
}

/** An address or range in one spelling, an address as the range of itself alone; undefined where the text is neither. */
export function formatAddressRange(text: string): string | undefined {
  const range = readAddressRange(text);
  const [base = '', prefix] = range?.split('/') ?? [];
  const address = parseIpAddress(base);
  if (address === undefined) return undefined;
  return `${address.toNormalizedString()}/${prefix ?? (address.kind() === 'ipv4' ? 32 : 128)}`;
}

/**
 * The range in IPv4 of an IPv4 address or range that is written within IPv6 (`::ffff:a00:0/104`), where it has one;
 * undefined for any other text, also for one that is no address.
 */
export function findMappedRange(text: string): { readonly range: string | undefined } | undefined {
  const [base = ''] = text.split('/');
  return [undefined, base].includes(readAddressRange(base)) ? undefined : { range: readAddressRange(text) };
}

/** Reads an address or a network, as {@link readAddressRange} does. A network of all addresses is none: it names nothing. */
export function readNetwork(text: string): string | undefined {
  const network = readAddressRange(text);
  return network?.endsWith('/0') === true ? undefined : network;
}

/**
 * Names the network of one subscriber: an IPv4 address itself, and the /64 of an IPv6 address, all of which one
 * subscriber has. A text that is no address names itself.
 */
export function subscriberNetwork(text: string): string {
  const address = parseIpAddress(text);
  if (address === undefined) return text;
  const subscriber = unmapAddress(address);
  if (subscriber.kind() === 'ipv4') return subscriber.toString();
  return ipaddr.IPv6.networkAddressFromCIDR(`${subscriber.toString()}/64`).toString();
}
