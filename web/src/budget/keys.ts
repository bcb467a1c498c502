// In a file of its own, so that the orders do not load the budgets.
export const BUDGETS = ['budgets']
