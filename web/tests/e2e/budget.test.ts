import { afterEach, describe, expect, it } from 'vitest'

import { addMonths } from '../../src/budget/months'
import { today } from '../../src/time'
import { audit, overflows } from './checks'
import {
  PHONE,
  admin,
  appUrl,
  expectText,
  moveOrder,
  newAdmin,
  newMember,
  newOrder,
  newSnack,
  request,
  setLimit,
  settled,
  toast,
  useBrowser,
} from './harness'

const { open } = useBrowser()

/** A month that no other test uses. */
const farMonth = () => addMonths('2100-01', Math.floor(Math.random() * 50_000))

/** A far month in which the limits of the demo data end. */
async function monthWithoutLimits(): Promise<string> {
  const month = farMonth()
  for (const currency of ['KRW', 'USD']) {
    // Earlier, because the table also shows the months before.
    const end = addMonths(month, -12)
    await request('PUT', `/budgets/${end}`, await admin(), { currency, amount: null, applies: 'onwards' })
  }
  return month
}

const budgetsOf = async (month: string) =>
  (
    await request<{ results: { currency: string; amount: string | null }[] }>(
      'GET',
      `/budgets?month=${month}`,
      await admin(),
    )
  ).results

afterEach(() => setLimit('JPY', null))

describe('budgets', () => {
  it('members read what is committed, what waits and what is left', async () => {
    const member = await newMember()
    const snack = () => newSnack({ price: '300', currency: 'JPY' })
    await moveOrder(await newOrder(member, [await snack()], 1), 'approved')
    await newOrder(member, [await snack()], 2)
    const { committed } = await setLimit('JPY', '1')
    const { pending } = await setLimit('JPY', String(Number(committed) + 1000))
    const page = await open(member)
    await page.getByRole('navigation', { name: '주 메뉴' }).getByRole('link', { name: '예산' }).click()
    await page.waitForURL(appUrl('/budgets'))
    const yen = (amount: number) => `JP¥${amount.toLocaleString('en-US')}`
    await expectText(
      page.locator('li.currency-row').filter({ hasText: 'JP¥' }),
      new RegExp(
        [
          yen(Number(committed) + 1000),
          `승인됨\\s*${yen(Number(committed))}`,
          `승인 대기\\s*${yen(Number(pending))}`,
          `남은 금액\\s*${yen(1000)}`,
        ].join('[\\s\\S]*'),
      ),
    )
    expect(await page.getByRole('button', { name: /예산 정하기|예산 변경/ }).count()).toBe(0)
    // The month before is one press away, here and in the table.
    const before = addMonths(today().slice(0, 7), -1)
    await page.getByRole('button', { name: '이전 달' }).click()
    await page.waitForURL(appUrl(`/budgets?month=${before}`))
    await page.getByRole('button', { name: '다음 달' }).click()
    await page.waitForURL(appUrl('/budgets'))
    const [year, number] = before.split('-').map(Number)
    const link = page.getByRole('table', { name: '월별 예산' }).getByRole('link', { name: `${year}년 ${number}월` })
    await link.first().click()
    await page.waitForURL(appUrl(`/budgets?month=${before}`))
  })

  it('an admin sets a limit for a month alone, or for later months too, and takes it away', async () => {
    const month = await monthWithoutLimits()
    const page = await open(await newAdmin(), `/budgets?month=${month}`)
    const dialog = page.getByRole('dialog')
    const rows = page.getByRole('table', { name: '월별 예산' }).getByRole('row')
    await expectText(page.locator('section.month'), '한도도 쓴 금액도 없습니다.')

    await page.getByRole('button', { name: '예산 정하기' }).click()
    await dialog.getByLabel('한도').fill('500,000원')
    await dialog.getByRole('button', { name: '저장' }).click()
    await toast(page, '예산을 정했습니다.').waitFor()
    await expectText(page.locator('li.currency-row'), /₩500,000[\s\S]*남은 금액\s*₩500,000/)
    expect(await budgetsOf(addMonths(month, 1))).toEqual([])

    await page.getByRole('button', { name: '원화 예산 변경' }).click()
    expect(await dialog.getByLabel('한도').inputValue()).toBe('500000')
    await dialog.getByLabel('한도').fill('600000')
    await dialog.getByLabel(/부터 계속$/).check()
    await dialog.getByRole('button', { name: '저장' }).click()
    await dialog.waitFor({ state: 'detached' })
    await expectText(rows.nth(3), /₩600,000/)
    await expectText(rows.nth(6), /₩600,000/)
    expect((await budgetsOf(addMonths(month, 12)))[0]?.amount).toBe('600000')

    await page.getByRole('button', { name: '원화 예산 변경' }).click()
    await dialog.getByLabel(/부터 계속$/).check()
    await dialog.getByRole('button', { name: '한도 없애기' }).click()
    await toast(page, '예산 한도를 없앴습니다.').waitFor()
    await expectText(page.locator('section.month'), '한도도 쓴 금액도 없습니다.')
    expect(await budgetsOf(addMonths(month, 12))).toEqual([])
  })

  it('errors are shown at their fields, and Enter saves', async () => {
    const month = await monthWithoutLimits()
    const page = await open(await newAdmin(), `/budgets?month=${month}`)
    const dialog = page.getByRole('dialog')
    await page.getByRole('button', { name: '예산 정하기' }).click()
    const field = dialog.getByLabel('한도')
    const error = dialog.locator('.field-error')
    await dialog.getByRole('button', { name: '저장' }).click()
    await expectText(error, '필수 항목입니다.')
    expect(await field.getAttribute('aria-invalid')).toBe('true')
    await expect.poll(() => field.evaluate((input) => input === document.activeElement)).toBe(true)
    await field.fill('-5')
    expect(await error.count()).toBe(0)
    await field.press('Enter')
    await expectText(error, '0 이상이어야 합니다.')
    await field.fill('12.345')
    await dialog.getByLabel('통화').selectOption('USD')
    await field.press('Enter')
    await error.waitFor()
    await field.fill('12.34')
    await field.press('Enter')
    await dialog.waitFor({ state: 'detached' })
    expect(await budgetsOf(month)).toMatchObject([{ currency: 'USD', amount: '12.34' }])
  })

  it.each(['ko', 'en'])('the page passes the checks, %s', async (language) => {
    const boss = await newAdmin()
    await setLimit('JPY', '999999999999')
    for (const options of [{}, PHONE, { ...PHONE, viewport: { width: 320, height: 640 } }]) {
      const page = await open(boss, '/budgets', options)
      await page.evaluate((chosen) => localStorage.setItem('snack.language', chosen), language)
      await page.reload()
      await settled(page)
      expect(await audit(page)).toEqual([])
      expect(await overflows(page)).toBe(false)
    }
  })
})
