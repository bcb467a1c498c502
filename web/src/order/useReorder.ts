import { ref } from 'vue'
import { useRouter } from 'vue-router'

import { queryClient } from '../api/query'
import type { Order } from '../api/types'
import { t } from '../i18n'
import { fetchSnack, snackKey } from '../snack/snacks'
import { useToasts } from '../ui/toasts'
import { useCart } from './cart'
import { MAX_LINES, lineOf } from './lines'

/** Puts the snacks of an order into the cart again, at their present prices and without those that cannot be ordered now. */
export function useReorder(getOrder: () => Order) {
  const router = useRouter()
  const toasts = useToasts()
  const cart = useCart()
  const isBusy = ref(false)

  async function reorder(): Promise<void> {
    if (isBusy.value) return
    isBusy.value = true
    try {
      const lines = await Promise.all(
        getOrder().purchases.map(async ({ snack: { uid }, quantity }) => {
          const snack = await queryClient.fetchQuery({
            queryKey: snackKey(uid),
            queryFn: () => fetchSnack(uid),
            staleTime: 0,
          })
          return { snack, line: { ...lineOf(snack), quantity } }
        }),
      )
      const free = MAX_LINES - cart.lines.length
      const wanted = lines.filter(({ snack }) => snack.orderable && cart.quantityOf(snack.uid) === 0)
      cart.restore({ lines: wanted.slice(0, free).map(({ line }) => line), position: Infinity })
      const leftOut = [...lines.filter(({ snack }) => !snack.orderable), ...wanted.slice(free)]
      await tell(
        lines.length - leftOut.length,
        leftOut.map(({ snack }) => snack.name),
        wanted.length > free,
      )
    } catch (error) {
      toasts.problem(error)
    } finally {
      isBusy.value = false
    }
  }

  async function tell(count: number, leftOut: string[], isFull: boolean): Promise<void> {
    const omission = leftOut.length > 0 ? ` ${t('reorder.leftOut', { names: leftOut.join(', ') })}` : ''
    if (count === 0) {
      toasts.failure(t(isFull ? 'reorder.full' : 'reorder.nothing') + omission)
      return
    }
    // The cart is shown there.
    await router.push('/snacks')
    toasts.success(t('reorder.done', { count }, count) + omission)
  }

  return { isBusy, reorder }
}
