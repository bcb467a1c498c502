// The snacks to be bought for the approved orders, by shop.
import type { BuyingList, BuyingListLine, Money, Order } from '../api/types'

/** One line of one order. A line of the list sums up one or more of them. */
export type Piece = `${string} ${string}`

export function piecesOf(line: Pick<BuyingListLine, 'snack' | 'orders'>): Piece[] {
  return line.orders.map(({ uid }): Piece => `${uid} ${line.snack.uid}`)
}

/** An order of the list with its progress. */
export interface BuyingOrder {
  uid: string
  user: Order['user']
  snacks: string[]
  isBought: boolean
}

/** The orders of a list. An order is bought when each of its lines is. */
export function ordersOf(list: BuyingList, bought: ReadonlySet<Piece>): BuyingOrder[] {
  const orders = new Map<string, BuyingOrder>()
  for (const line of list.results.flatMap((shop) => shop.snacks)) {
    for (const { uid, user } of line.orders) {
      const order = orders.get(uid) ?? { uid, user, snacks: [], isBought: true }
      order.snacks.push(line.snack.name)
      order.isBought &&= bought.has(`${uid} ${line.snack.uid}`)
      orders.set(uid, order)
    }
  }
  return [...orders.values()]
}

interface Words {
  noShop: string
  total: string
  money: (money: Money) => string
}

/**
 * The list as text: a paragraph for each shop, and columns separated by tabs, which a spreadsheet keeps. A text that a spreadsheet
 * would read as a formula is quoted.
 */
export function plainText(list: BuyingList, { noShop, total, money }: Words): string {
  const cell = (text: string) => (/^[=+\-@]/.test(text) ? `'${text}` : text).replace(/\s+/g, ' ')
  const sums = (amounts: readonly Money[]) => amounts.map(money).join(' + ')
  const shops = list.results.map(({ host, snacks, amounts }) =>
    [
      `[${host || noShop}] ${sums(amounts)}`,
      ...snacks.map(({ snack, quantity, unit_price, currency, amount }) =>
        [
          cell(snack.name),
          String(quantity),
          money({ currency, amount: unit_price }),
          money({ currency, amount }),
          snack.url,
        ]
          .join('\t')
          .trimEnd(),
      ),
    ].join('\n'),
  )
  return [...shops, `${total} ${sums(list.amounts)}`].join('\n\n')
}
