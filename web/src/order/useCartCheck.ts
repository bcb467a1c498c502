import { queryClient } from '../api/query'
import type { Snack } from '../api/types'
import { t } from '../i18n'
import { useSession } from '../session/session'
import { fetchSnack, snackKey } from '../snack/snacks'
import { useCart } from './cart'
import type { LineError } from './useLineErrors'

/** The reason why a snack cannot be ordered. Null if it can. */
export function blockOf(snack: Snack, userId: number | null): LineError | null {
  if (snack.blocked_reason === 'unavailable') return { message: t('snack.unavailable') }
  if (!snack.open_order) return null
  const { uid, status, user } = snack.open_order
  const isMine = user.id === userId
  return {
    message: isMine ? t('cart.onMyOrder') : t('cart.onOrder', { name: user.name }),
    order: { uid, status },
    isMine,
  }
}

/** Brings the cart up to date, since it may be weeks old. */
export function useCartCheck(show: (errors: [uid: string, error: LineError][]) => void) {
  const cart = useCart()
  const session = useSession()

  return async (): Promise<void> => {
    const requests = cart.lines.map(({ uid }) =>
      queryClient.fetchQuery({ queryKey: snackKey(uid), queryFn: () => fetchSnack(uid), staleTime: 0 }),
    )
    // Without a response the order itself tells.
    const snacks = (await Promise.allSettled(requests)).flatMap((result) =>
      result.status === 'fulfilled' ? result.value : [],
    )
    cart.update(snacks)
    show(
      snacks.flatMap((snack) => {
        const block = blockOf(snack, session.userId)
        return block ? [[snack.uid, block] as [string, LineError]] : []
      }),
    )
  }
}
