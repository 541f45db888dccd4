// oxlint-disable-next-line typescript/triple-slash-reference -- packages that import this one need the types too
/// <reference path="./kafkajs-internals.d.ts" />
import RequestQueue from 'kafkajs/src/network/requestQueue/index.js'

/**
 * Every kafkajs connection arms a timer of about one millisecond again and again for as long as it lives: about
 * four percent of a core when idle, and a TimeoutNegativeWarning on Node 24. The timer only serves requests that
 * wait or are throttled; this arms it for those alone. To be called before the first client is made.
 */
export function stopIdleTimers(): void {
  const queue = RequestQueue.prototype
  const arm = queue.scheduleCheckPendingRequests
  queue.scheduleCheckPendingRequests = function armWhenNeeded() {
    if (this.pending.length > 0 || this.throttledUntil > Date.now()) arm.call(this)
  }
}
