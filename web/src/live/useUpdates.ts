import { queryClient, wasReadBefore } from '../api/query'
import { BUDGETS } from '../budget/keys'
import { useLiveOrders } from '../order/useLiveOrders'
import { useLiveSnacks } from '../snack/liveSnacks'
import { useLive } from './useLive'

/** Shows changes on the server in every page. */
export function useUpdates(): void {
  useLiveOrders()
  useLiveSnacks()
  useLive({
    budget: ({ month }) => {
      // A limit may also apply to later months.
      const isAffected = ({ queryKey }: { queryKey: readonly unknown[] }) => String(queryKey[1]) >= month
      void queryClient.invalidateQueries({ queryKey: BUDGETS, predicate: isAffected })
    },
    resync: (before) => {
      void queryClient.invalidateQueries({
        // Lists are read again where they are shown.
        predicate: (query) => !query.meta?.isLive && wasReadBefore(query, before),
      })
      void queryClient.invalidateQueries({ predicate: (query) => query.meta?.isLive === true, refetchType: 'none' })
    },
  })
}
