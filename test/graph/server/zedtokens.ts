/** ZedTokens as a SpiceDB server on PostgreSQL writes them. */
import { BinaryWriter, WireType } from '@protobuf-ts/runtime';
import type { PostgresSnapshot } from '../../../src/graph/server/postgres-snapshot.js';

export function toToken({ next, underWay, written, schemaHash }: PostgresSnapshot): string {
  const first = underWay[0] ?? next;
  const revision = new BinaryWriter().tag(1, WireType.Varint).uint64(first);
  if (next > first) revision.tag(2, WireType.Varint).int64(next - first);
  if (underWay.length > 0) {
    revision.tag(3, WireType.LengthDelimited).fork();
    for (const transaction of underWay) revision.int64(transaction - first);
    revision.join();
  }
  if (written !== undefined) revision.tag(4, WireType.Varint).uint64(written);
  const text = Buffer.from(Buffer.from(revision.finish()).toString('base64'));
  const members = new BinaryWriter().tag(1, WireType.LengthDelimited).bytes(text);
  if (schemaHash !== '') members.tag(3, WireType.LengthDelimited).string(schemaHash);
  const payload = members.finish();
  return Buffer.from(new BinaryWriter().tag(3, WireType.LengthDelimited).bytes(payload).finish()).toString('base64');
}
