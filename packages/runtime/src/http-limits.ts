/**
 * How long and how much a client of any HTTP server of ours may take, as Fastify's options. Slow heads and bodies,
 * idle sockets and endless ones end by these.
 */
export const httpLimits = {
  requestTimeout: 10_000,
  keepAliveTimeout: 65_000,
  maxRequestsPerSocket: 1_000,
  forceCloseConnections: 'idle',
  http: {
    headersTimeout: 5_000,
    // Node looks for late requests this often; its 30 s would blur both limits.
    connectionsCheckingInterval: 1_000,
    maxHeaderSize: 16 * 1024,
  },
} as const

/** Connections of one server at a time. */
export const maxConnections = 4_000
