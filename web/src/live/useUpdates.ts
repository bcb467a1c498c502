import { queryClient, wasReadBefore } from '../api/query'
import { BUDGETS } from '../budget/keys'
import { useUnread } from '../notification/unread'
import { useLiveOrders } from '../order/useLiveOrders'
import { useLiveSnacks } from '../snack/liveSnacks'
import { useLive } from './useLive'

/** Shows changes on the server in every page. */
export function useUpdates(): void {
  useLiveOrders()
  useLiveSnacks()
  const unread = useUnread()
  useLive({
    notification: ({ unread_count }) => unread.setUnread(unread_count),
    budget: ({ month }) => {
      // A limit may also apply to later months.
      const isAffected = ({ queryKey }: { queryKey: readonly unknown[] }) => String(queryKey[1]) >= month
      void queryClient.invalidateQueries({ queryKey: BUDGETS, predicate: isAffected })
    },
    resync: (before) => {
      void unread.refreshUnread()
      void queryClient.invalidateQueries({
        // Lists are read again where they are shown.
        predicate: (query) => !query.meta?.isLive && wasReadBefore(query, before),
      })
      void queryClient.invalidateQueries({ predicate: (query) => query.meta?.isLive === true, refetchType: 'none' })
    },
  })
}
