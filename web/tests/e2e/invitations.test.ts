// Invitations in the user list.
import { describe, expect, it } from 'vitest'

import { audit, overflows } from './checks'
import {
  PHONE,
  admin,
  appUrl,
  expectText,
  newAdmin,
  newMember,
  request,
  settled,
  toast,
  unique,
  useBrowser,
} from './harness'

const { newContext, open } = useBrowser()

describe('invitations', () => {
  it('are made with a link that is shown once, listed and withdrawn', async () => {
    const boss = await newAdmin()
    for (const options of [{}, PHONE]) {
      const page = await open(boss, '/users', options)
      await page.getByRole('button', { name: '초대하기' }).press('Enter')
      const dialog = page.getByRole('dialog')
      const email = `${unique()}@example.com`
      await dialog.getByLabel('이메일').fill(email)
      await dialog.getByRole('radio', { name: /관리자/ }).check()
      expect(await audit(page)).toEqual([])
      await dialog.getByRole('button', { name: '초대 링크 만들기' }).click()
      const link = dialog.getByLabel('초대 링크')
      await link.waitFor()
      const url = await link.inputValue()
      expect(url).toContain(`${appUrl('/sign-up')}?invitation=`)

      const row = dialog.getByRole('listitem').filter({ hasText: email })
      await expectText(row, new RegExp(`관리자[\\s\\S]*${boss.name}`))
      expect(await audit(page)).toEqual([])
      expect(await overflows(page)).toBe(false)
      await row.getByRole('button', { name: `${email} 초대 취소` }).click()
      await page.getByRole('alertdialog').getByRole('button', { name: '초대 취소' }).click()
      await toast(page, `${email} 초대를 취소했습니다.`).waitFor()
      await expect.poll(() => row.count()).toBe(0)

      const guest = await (await newContext()).newPage()
      await guest.goto(url)
      await settled(guest)
      await guest.locator('input[name=name]').fill('김새내')
      await guest.locator('input[name=email]').fill(email)
      await guest.locator('input[name=password]').fill(`pass-${unique()}-word`)
      await guest.getByRole('button', { name: '가입하기' }).click()
      await expectText(guest.getByRole('alert'), /초대 링크로 가입할 수 없습니다/)
    }
  })

  it('for members and resigned ones are refused at the email', async () => {
    const [member, gone] = [await newMember(), await newMember()]
    await request('DELETE', '/auth/users/resign', gone.token)
    const page = await open(await newAdmin(), '/users')
    await page.getByRole('button', { name: '초대하기' }).click()
    const dialog = page.getByRole('dialog')
    for (const [email, message] of [
      [member.email, /이미 가입된 이메일/],
      [gone.email, /탈퇴한 회원/],
    ] as const) {
      await dialog.getByLabel('이메일').fill(email)
      await dialog.getByRole('button', { name: '초대 링크 만들기' }).click()
      await expectText(dialog.locator('.field-error'), message)
    }
    const open_ = await request<{ results: { email: string }[] }>('GET', '/auth/invitations', await admin())
    expect(open_.results.map(({ email }) => email)).not.toContain(gone.email)
  })
})
