/** A wire to a server on loopback that can be cut, or hang, as networks do. */
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

export interface Wire {
  readonly port: number;
  /** Cuts it after so many bytes more of what is answered; new ones at once. */
  readonly cutAfter: (bytes: number) => void;
  /** Lets nothing through, and tells nobody. */
  readonly hang: () => void;
  readonly mend: () => void;
  readonly close: () => void;
}

export async function wireTo(port: number): Promise<Wire> {
  let left = Infinity;
  let hanging = false;
  const sockets = new Set<Socket>();
  const server: Server = createServer((near) => {
    const far = connect(port, '127.0.0.1');
    const cut = (): void => {
      near.destroy();
      far.destroy();
      sockets.delete(near);
      sockets.delete(far);
    };
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', cut).on('close', cut);
      if (hanging) socket.pause();
    }
    near.on('data', (data) => far.write(data));
    far.on('data', (data) => {
      left -= data.length;
      if (left < 0) {
        near.write(data.subarray(0, Math.max(0, data.length + left)));
        cut();
      } else near.write(data);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    cutAfter: (bytes) => (left = bytes),
    hang: () => {
      hanging = true;
      for (const socket of sockets) socket.pause();
    },
    mend: () => {
      left = Infinity;
      hanging = false;
      for (const socket of sockets) socket.resume();
    },
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
