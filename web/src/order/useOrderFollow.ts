import { ref } from 'vue'

import { api, dataOf } from '../api/client'
import { queryClient } from '../api/query'
import type { Order } from '../api/types'
import { useToasts } from '../ui/toasts'
import { followedQuery } from './follows'
import { refreshOrder } from './orders'

/** Follows an order that is shown, or stops following it. */
export function useOrderFollow(getOrder: () => Order) {
  const toasts = useToasts()
  const isBusy = ref(false)

  async function toggle(): Promise<void> {
    // A disabled button would lose the focus, so a second press is ignored instead.
    if (isBusy.value) return
    const { uid, followed_by_me } = getOrder()
    const params = { path: { uid } }
    isBusy.value = true
    try {
      await dataOf(
        followed_by_me ? api.DELETE('/orders/{uid}/follow', { params }) : api.PUT('/orders/{uid}/follow', { params }),
      )
    } catch (error) {
      toasts.problem(error)
    }
    // Also after an error, because the order may be closed.
    await refreshOrder(uid).catch(() => undefined)
    void queryClient.invalidateQueries({ queryKey: followedQuery.queryKey })
    isBusy.value = false
  }

  return { isBusy, toggle }
}
