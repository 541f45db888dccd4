/** Verbs report on standard output; what their connections log would only stand between. */
export const silent = { debug() {}, info() {}, warn() {}, error() {} }
