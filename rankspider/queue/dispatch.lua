-- Looked at before anything is changed: a script that fails halfway is not rolled back, and a
-- member that could not be put back would be lost.
local kind = redis.call('TYPE', queue).ok
if kind ~= 'none' and not LENGTH[kind] then
  return redis.error_reply('WRONGKIND ' .. kind)
end
local kinds = {
  [held] = 'hash', [tries] = 'hash', [leases] = 'zset', [delayed] = 'zset', [sizes] = 'string',
}
for key, wanted in pairs(kinds) do
  kind = redis.call('TYPE', key).ok
  if kind ~= wanted and kind ~= 'none' then redis.call('DEL', key) end
end

look_what_is_gone()
local outcome = operations[ARGV[1]](unpack(ARGV, 3))
note_sizes()
return outcome
