// Keeps a peer on this machine: Portkey listens on every interface, whatever it is told (1.15.2, 2026-11).
const { Server } = require("node:net");

const listen = Server.prototype.listen;
Server.prototype.listen = function (where, ...others) {
  const port = typeof where === "object" ? where.port : where;
  const callbacks = others.filter((other) => typeof other === "function");
  return listen.call(this, { port, host: "127.0.0.1" }, ...callbacks);
};
