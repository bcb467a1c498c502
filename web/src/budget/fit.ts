// The rules of a budget. An order is committed when it is approved, in the month of its approval.
import type { Budget, Money } from '../api/types'
import { fromHundredths, toHundredths } from '../money'

/** The limit and what is committed in a currency. */
export type Limit = Pick<Budget, 'currency' | 'amount' | 'committed'>

/** The part of `amounts` beyond the limits. As on the server, an amount of zero always fits. */
export function excessOf(amounts: readonly Money[], limits: readonly Limit[]): Money[] {
  return amounts.flatMap(({ currency, amount }) => {
    const limit = limits.find((limit) => limit.currency === currency)
    if (!limit?.amount) return []
    const asked = toHundredths(amount)
    const excess = toHundredths(limit.committed) + asked - toHundredths(limit.amount)
    return asked > 0n && excess > 0n ? [{ currency, amount: fromHundredths(excess, currency) }] : []
  })
}

/** The limits after the approval of an order with `amounts`. */
export function commit<Of extends Limit>(limits: readonly Of[], amounts: readonly Money[]): Of[] {
  return limits.map((limit) => {
    const amount = amounts.find(({ currency }) => currency === limit.currency)?.amount ?? '0'
    const committed = fromHundredths(toHundredths(limit.committed) + toHundredths(amount), limit.currency)
    return { ...limit, committed }
  })
}

/** The parts of a bar, in per cent of its length. */
export interface Parts {
  committed: number
  /** The order that the bar is shown for. */
  order: number
  /** The other orders that wait for approval. */
  pending: number
  /** The position of the limit. */
  limit: number
}

/** The parts of the bar of a budget. The bar is as long as the limit, or longer if more is asked for. */
export function partsOf(budget: Pick<Budget, 'amount' | 'committed' | 'pending'>, order = '0'): Parts {
  const [limit, committed, pending, own] = [budget.amount ?? '0', budget.committed, budget.pending, order].map(
    toHundredths,
  ) as [bigint, bigint, bigint, bigint]
  const others = pending > own ? pending - own : 0n
  const sum = committed + own + others
  const length = sum > limit ? sum : limit
  const share = (part: bigint) => (length === 0n ? 0 : Number((part * 10_000n) / length) / 100)
  return { committed: share(committed), order: share(own), pending: share(others), limit: share(limit) }
}
