// The entry of what is loaded beside the first page.
import { effectScope, watch } from 'vue'

import { useSession } from '../session/session'
import { connect } from './connection'
import { useUpdates } from './useUpdates'

/** Keeps the pages up to date while a user is signed in. */
export function startLive(): void {
  const session = useSession()
  effectScope(true).run(() => {
    useUpdates()
    watch(
      () => session.userId,
      (userId, _before, onCleanup) => {
        if (userId === null) return
        const end = new AbortController()
        onCleanup(() => end.abort())
        connect(userId, end.signal)
      },
      { immediate: true, flush: 'sync' },
    )
  })
}
