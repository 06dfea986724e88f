// The WebSocket server of bittorrent-tracker as it is, for `cargo xtask bench tracker`. Says where it listens.
import Server from 'bittorrent-tracker/server';

const server = new Server({ udp: false, http: false, ws: true, stats: false });
server.on('error', (error) => {
  console.error(error);
  process.exit(1);
});
// A peer that goes is no fault of the server.
server.on('warning', () => {});
server.listen(0, '127.0.0.1', () => {
  console.log(`bittorrent-tracker listening on ws://127.0.0.1:${server.ws.address().port}/`);
});
