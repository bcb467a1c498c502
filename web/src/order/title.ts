import { t } from '../i18n'

type Purchases = readonly { snack: { name: string } }[]

/** The name of an order by its first snack and its owner: `오예스 외 5가지 · 정수빈`. */
export function orderTitle({ purchases, user }: { purchases: Purchases; user: { name: string } }): string {
  return t('order.called', { snacks: snacksTitle(purchases), name: user.name })
}

/** `오예스 외 5가지` */
export function snacksTitle(purchases: Purchases): string {
  const name = purchases[0]?.snack.name ?? ''
  const others = purchases.length - 1
  return others > 0 ? t('order.andMore', { name, count: others }) : name
}
