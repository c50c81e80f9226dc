-- Commands of the plugin. Nothing else is loaded until one of them is used or the server is enabled.
if vim.g.loaded_mvm then
  return
end
vim.g.loaded_mvm = true

local function command(name, run, options)
  vim.api.nvim_create_user_command(name, function(args)
    require('mvm.commands')[run](args)
  end, options)
end

command('MvmIr', 'ir', { nargs = 0, desc = 'Preview of the Workload IR beside the source' })
command('MvmBuild', 'build', {
  nargs = '?',
  desc = 'Build the image of a declaration',
  complete = function()
    return require('mvm.commands').names()
  end,
})
command('MvmRun', 'run', { nargs = '*', bang = true, desc = 'Run a declared function in its microVM' })
command('MvmStop', 'stop', { nargs = 0, desc = 'Stop what builds or runs for this file' })
command('MvmOutput', 'output', { nargs = 0, desc = 'Show the output of builds and runs' })
