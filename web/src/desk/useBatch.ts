import { ref, watch } from 'vue'

import type { Order, OrderStatus } from '../api/types'
import { t } from '../i18n'
import { changeStatuses, type SeenOrder } from '../order/orders'
import { needsArrivalTime } from '../order/status'
import { rejection } from '../order/useStatusChange'
import { fromLocalInput } from '../time'
import { problemText } from '../ui/toasts'

/** The result for one of several orders. */
export interface Result {
  uid: string
  title: string
  isDone: boolean
  text: string
}

interface Options<Seen> {
  titleOf: (seen: Seen) => string
  /** Called with the present order after each change, also after one that has failed. */
  onChange: (order: Order) => void
}

type Movable = SeenOrder & Partial<Pick<Order, 'estimated_arrival_time'>>

/** Moves several orders on, one after another. Without a common arrival time each keeps its own. */
export function useBatch<Seen extends Movable>({ titleOf, onChange }: Options<Seen>) {
  const arrivalText = ref('')
  const isArrivalMissing = ref(false)
  const isBusy = ref(false)
  const results = ref<Result[]>([])
  watch(arrivalText, () => (isArrivalMissing.value = false))

  /** False if the arrival time is missing. */
  async function run(to: OrderStatus, orders: readonly Seen[]): Promise<boolean> {
    // A disabled button would lose the focus, so a second press is ignored instead.
    if (isBusy.value) return true
    const common = fromLocalInput(arrivalText.value)
    const arrivalOf = (seen: Seen) => common ?? seen.estimated_arrival_time ?? null
    isArrivalMissing.value = needsArrivalTime(to) && orders.some((seen) => arrivalOf(seen) === null)
    if (isArrivalMissing.value) return false
    isBusy.value = true
    results.value = []
    try {
      const changeOf = (seen: Seen) => (needsArrivalTime(to) ? { arrival: arrivalOf(seen) } : {})
      await changeStatuses(orders, to, changeOf, (seen, { order, error }) => {
        const text = error ? ((order && rejection(order, error)) ?? problemText(error)) : t(`status.moved.${to}`)
        results.value = [...results.value, { uid: seen.uid, title: titleOf(seen), isDone: !error, text }]
        if (order) onChange(order)
      })
    } finally {
      isBusy.value = false
    }
    return true
  }

  return { arrivalText, isArrivalMissing, isBusy, results, run }
}
