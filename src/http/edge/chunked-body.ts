/** Counts a body that comes in chunks, and asks for room as it grows: its length is only known in the end. */
import { Transform, type Readable } from 'node:stream';
import { Fault } from '../../model/faults.js';

/**
 * @param stepBytes the room that there is at first, and that `grow` adds
 * @param grow takes more room; false where there is none, which ends the body with a Fault `overloaded`
 */
export function countChunks(body: Readable, stepBytes: number, grow: () => boolean): Readable {
  let room = stepBytes;
  const counted = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      room -= chunk.length;
      while (room < 0) {
        if (!grow()) {
          done(new Fault('overloaded', 'a body in chunks'));
          return;
        }
        room += stepBytes;
      }
      done(null, chunk);
    },
  });
  // A sender that hangs up ends the body before it is complete.
  body
    .once('error', (error) => counted.destroy(error))
    .once('close', () => {
      if (!counted.writableEnded) counted.destroy(new Fault('overloaded', 'the sender hung up'));
    });
  return body.pipe(counted);
}
