import { queryClient, wasReadBefore } from '../api/query'
import { BUDGETS } from '../budget/keys'
import { useUnread } from '../notification/unread'
import { followedQuery } from '../order/follows'
import { ORDER } from '../order/orders'
import { useLiveOrders } from '../order/useLiveOrders'
import { useLiveSnacks } from '../snack/liveSnacks'
import { SNACK } from '../snack/snacks'
import { STATISTICS } from '../statistics/keys'
import { useLive } from './useLive'

/** The data that events tell of, besides the lists. */
const FOLLOWED = new Set<unknown>(
  [ORDER, SNACK, BUDGETS, STATISTICS, followedQuery.queryKey].map((queryKey) => queryKey[0]),
)

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
        predicate: (query) => FOLLOWED.has(query.queryKey[0]) && wasReadBefore(query, before),
      })
      // Lists that are shown are read again in their places (useLiveRows.ts), and others when they are shown.
      void queryClient.invalidateQueries({ predicate: ({ meta }) => meta?.isLive === true, refetchType: 'none' })
    },
  })
}
