// Keeps the pages up to date: by the stream of events, and by asking every 15 s while there is none.
import { openEvents } from '../api/client'
import type { LiveEvent } from '../api/types'
import { isDown } from './status'
import { joinTabs } from './tabs'
import { publish } from './useLive'

/** The user is told that the stream is down after this time, in milliseconds. */
const GRACE = 5000
/** In milliseconds. */
const POLL_INTERVAL = 15_000
/** Pages read again within this time, in milliseconds, so that hundreds of them do not come at once. */
const SPREAD = 2000

/** Waits until the time is over or the signal is aborted. */
function wait(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve()
    const done = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, milliseconds)
    signal.addEventListener('abort', done)
  })
}

const environment = { connect: openEvents, wait, now: Date.now, random: Math.random }

/** Starts the updates for a user. They end when the signal is aborted. */
export function connect(userId: number, signal: AbortSignal): void {
  let isOpen = false
  let openSince = 0
  /** What was read before this time has to be read again. */
  let outdated = 0
  /** Aborted when the stream is open. */
  let closed = new AbortController()

  const tabs = joinTabs(userId, environment, { onOpen, onClosed, onEvent }, signal)
  void poll(AbortSignal.any([signal, closed.signal]))

  function onEvent(event: LiveEvent): void {
    if (event.event === 'resync') void resync(Date.now())
    else publish(event.event, event.data)
  }

  function onOpen(since: number): void {
    if (isOpen && since <= openSince) return
    isOpen = true
    openSince = since
    isDown.value = false
    closed.abort()
    void resync(since)
  }

  function onClosed(): void {
    if (!isOpen) return
    isOpen = false
    closed = new AbortController()
    void poll(AbortSignal.any([signal, closed.signal]))
  }

  /** Reads again what is shown. A hidden page does it when it becomes visible. */
  async function resync(before: number): Promise<void> {
    outdated = Math.max(outdated, before)
    await wait(Math.random() * SPREAD, signal)
    if (!signal.aborted) readAgain()
  }

  function readAgain(): void {
    if (outdated === 0 || document.visibilityState === 'hidden') return
    const before = outdated
    outdated = 0
    publish('resync', before)
  }

  async function poll(ended: AbortSignal): Promise<void> {
    await wait(GRACE, ended)
    for (let pause = Math.random() * SPREAD; !ended.aborted; pause = POLL_INTERVAL) {
      isDown.value = true
      await wait(pause, ended)
      if (ended.aborted) return
      outdated = Date.now()
      readAgain()
    }
  }

  function wake(): void {
    if (document.visibilityState === 'hidden') return
    tabs.wake()
    readAgain()
  }

  signal.addEventListener('abort', () => {
    isDown.value = false
  })
  window.addEventListener('online', wake, { signal })
  document.addEventListener('visibilitychange', wake, { signal })
}
