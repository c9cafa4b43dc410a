/** What is known of an IP address: whether it is this machine's, public, a network, and whose network it is of. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  isLoopback,
  isPublicAddress,
  readAddressRange,
  readNetwork,
  subscriberNetwork,
} from '../../src/runtime/ip-address.js';

describe('isLoopback', () => {
  it.each(['localhost', '127.0.0.1', '127.9.8.7', '::1', '[::1]', '0:0:0:0:0:0:0:1'])('is true of %s', (host) => {
    expect(isLoopback(host)).toBe(true);
  });
  it.each([
    '',
    'localhost.example',
    '127.1',
    '127.0.0.1.example',
    '0.0.0.0',
    '::',
    '128.0.0.1',
    '10.0.0.1',
    '::ffff:127.0.0.1',
  ])('is false of %j', (host) => {
    expect(isLoopback(host)).toBe(false);
  });
});

describe('isPublicAddress', () => {
  it.each(['1.1.1.1', '2606:4700::1111', '::ffff:1.1.1.1'])('is true of %s', (address) => {
    expect(isPublicAddress(address)).toBe(true);
  });
  it.each([
    '', 'example.com', '0x7f000001', '10.0.0.1', '100.64.0.1', '169.254.169.254', '224.0.0.1', '255.255.255.255',
    '::', '::1', '::10.0.0.1', '::1.1.1.1', '::ffff:10.0.0.1', '64:ff9b::1', '2002::1', 'fc00::1', 'fe80::1%eth0',
    'fec0::1', 'ff02::1',
  ])('is false of %j', (address) => {
    expect(isPublicAddress(address)).toBe(false);
  }); // prettier-ignore
});

describe('readAddressRange', () => {
  it.each([
    ['10.0.0.7', '10.0.0.7'],
    ['10.0.0.0/8', '10.0.0.0/8'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['2001:DB8::/32', '2001:DB8::/32'],
    ['::1/128', '::1/128'],
    ['64:ff9b::a00:1', '64:ff9b::a00:1'],
    ['::ffff:a00:1', '10.0.0.1'],
    ['::FFFF:10.0.0.1', '10.0.0.1'],
    ['0:0:0:0:0:ffff:10.0.0.1', '10.0.0.1'],
    ['0000:0000:0000:0000:0000:FFFF:0A00:0001', '10.0.0.1'],
    ['::ffff:a00:0/104', '10.0.0.0/8'],
    ['::ffff:10.0.0.1/128', '10.0.0.1/32'],
    ['::ffff:0:0/96', '0.0.0.0/0'],
  ])('reads %s as %s', (text, range) => expect(readAddressRange(text)).toBe(range));

  it.each([
    '', 'proxy', '10.0.0.0/33', '::/129', '10.0.0.0/', '10.0.0.0/8/9', '10.0/8', '010.0.0.1', '10.0.0.01', '10.0.0.0/08',
    '10.1', '167772161', '0x0a000001', '0xa.0.0.1', 'fe80::1%eth0', '::ffff:10.0.0.1%eth0', '::ffff:a00:0/95',
    '::ffff:010.0.0.1', '::10.0.0.1', '::a01:203', '::a00:0/104', '64:ff9b::10.0.0.1', '2002::10.0.0.1', ' 10.0.0.1', '10.0.0.1\n', '[::1]',
  ])('takes %j for none', (text) => expect(readAddressRange(text)).toBeUndefined()); // prettier-ignore

  it('reads every IPv4 address and range alike in both families', () => {
    const hex = (address: string): string => {
      const [a = 0, b = 0, c = 0, d = 0] = address.split('.').map(Number);
      return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
    };
    fc.assert(
      fc.property(fc.ipV4(), fc.option(fc.nat({ max: 32 })), (address, bits) => {
        const [suffix, mapped] = bits === null ? ['', ''] : [`/${bits}`, `/${bits + 96}`];
        const expected = `${address}${suffix}`;
        for (const spelled of [address, hex(address)])
          for (const before of ['::ffff:', '::FFFF:', '0:0:0:0:0:ffff:'])
            expect(readAddressRange(`${before}${spelled}${mapped}`)).toBe(expected);
      }),
    );
  });
});

describe('readNetwork', () => {
  it('names some addresses, and not all', () => {
    expect(['10.0.0.0/8', '::ffff:a00:0/104', '::1'].map(readNetwork)).toEqual(['10.0.0.0/8', '10.0.0.0/8', '::1']);
    expect(['0.0.0.0/0', '::/0', '::ffff:0:0/96', 'x'].map(readNetwork)).toEqual(Array(4).fill(undefined));
  });
});

describe('subscriberNetwork', () => {
  it.each([
    ['192.0.2.3', '192.0.2.3'],
    ['::ffff:192.0.2.3', '192.0.2.3'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::'],
    ['2001:db8:1:2:ffff::', '2001:db8:1:2::'],
    ['fe80::1%eth0', 'fe80::'],
    ['not an address', 'not an address'],
  ])('of %s is %s', (address, network) => {
    expect(subscriberNetwork(address)).toBe(network);
  });
});
