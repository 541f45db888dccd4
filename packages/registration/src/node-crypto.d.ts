/** All that the rules of state take from the platform; whatever else it has is not in their types, on purpose. */
declare module 'node:crypto' {
  export function hash(algorithm: 'sha256', data: string, outputEncoding: 'base64url'): string
}
