import type { Order } from '../api/types'
import { t } from '../i18n'

/** Names several snacks by the first one: `오예스 외 5가지`. */
export function whatIs(snacks: readonly string[]): string {
  const [snack = '', ...others] = snacks
  return others.length > 0 ? t('desk.snacks', { snack, count: others.length }, others.length) : snack
}

/** Names an order by what is in it and who has ordered it: `오예스 외 5가지 · 정수빈`. */
export function titleOf({ purchases, user }: Pick<Order, 'purchases' | 'user'>): string {
  return t('desk.order', { what: whatIs(purchases.map(({ snack }) => snack.name)), name: user.name })
}
