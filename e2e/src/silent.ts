/** For connections of a test's own: what they would log is not looked at. */
export const silent = { debug() {}, info() {}, warn() {}, error() {} }
