-- Looked at before anything is changed: a script that fails halfway is not rolled back, and a
-- member that could not be put back would be lost.
local kind = redis.call('TYPE', queue).ok
if kind ~= 'none' and not LENGTH[kind] then
  return redis.error_reply('WRONGKIND ' .. kind)
end
for _, hash in ipairs({held, tries}) do
  kind = redis.call('TYPE', hash).ok
  if kind ~= 'hash' and kind ~= 'none' then redis.call('DEL', hash) end
end

return operations[ARGV[1]](unpack(ARGV, 3))
