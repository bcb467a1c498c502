// Apart from the calls, so that whoever changes an order loads no more than this.
export const STATISTICS = ['statistics']
