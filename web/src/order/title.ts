import type { Order } from '../api/types'
import { t } from '../i18n'

/** The name of an order by its first snack and its owner: `오예스 외 5가지 · 정수빈`. */
export function orderTitle({ purchases, user }: Pick<Order, 'purchases' | 'user'>): string {
  return t('order.called', { snacks: snacksTitle(purchases.map(({ snack }) => snack.name)), name: user.name })
}

/** The name of several snacks by the first one: `오예스 외 5가지`. */
export function snacksTitle([name = '', ...others]: readonly string[]): string {
  return others.length > 0 ? t('order.andMore', { name, count: others.length }) : name
}
