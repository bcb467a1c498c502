// The number of unread notifications, which the bell shows.
import { defineStore } from 'pinia'
import { ref, watch } from 'vue'

import { api, dataOf } from '../api/client'
import { queryClient } from '../api/query'
import { useSession } from '../session/session'

/** The key of the lists of notifications. */
export const NOTIFICATIONS = ['notifications']

export const useUnread = defineStore('unread', () => {
  const session = useSession()
  const count = ref(0)
  /** Counts the changes, because a response must not overwrite what was set after its request. */
  let changes = 0

  function setUnread(n: number): void {
    changes += 1
    if (n === count.value) return
    count.value = n
    void queryClient.invalidateQueries({ queryKey: NOTIFICATIONS })
  }

  /** Asks the server. Without a response the number stays. */
  async function refreshUnread(): Promise<void> {
    if (!session.isSignedIn) return
    const before = ++changes
    const read = await dataOf(api.GET('/notifications/unread-count')).catch(() => null)
    if (read && changes === before) setUnread(read.count)
  }

  // The next user must not see the number of the former one.
  watch(
    () => session.userId,
    () => {
      setUnread(0)
      void refreshUnread()
    },
  )

  return { count, setUnread, refreshUnread }
})
