/** What is known of an IP address: whether it is this machine's, public, a network, and whose network it is of. */
import { describe, expect, it } from 'vitest';
import { isAddressOrNetwork, isLoopback, isPublicAddress, subscriberNetwork } from '../../src/runtime/ip-address.js';

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

describe('isAddressOrNetwork', () => {
  it.each(['10.0.0.7', '10.0.0.0/8', '10.0.0.0/32', '2001:db8::/32', '::1/128'])('is true of %s', (text) => {
    expect(isAddressOrNetwork(text)).toBe(true);
  });
  it.each(['', 'proxy', '10.0.0.0/0', '::/0', '10.0.0.0/33', '::/129', '10.0.0.0/', '10.0.0.0/8/9', '10.0/8'])(
    'is false of %j',
    (text) => {
      expect(isAddressOrNetwork(text)).toBe(false);
    },
  );
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
