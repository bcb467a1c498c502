// In a file of its own, so that the orders do not load the statistics.
export const STATISTICS = ['statistics']
