# Logs in by Ruby's net/pop, and writes message 1 to a file.
#
# usage: ruby_net_pop.rb METHOD PORT PASSWORD CA MESSAGE
#
# METHOD is user or pop3s.  The dialogue goes to the standard error; a
# refused login is an exit status of 1.

require 'net/pop'

method, port, password, ca, message = ARGV

pop3 = Net::POP3.new('localhost', port.to_i)
pop3.enable_ssl({ ca_file: ca }, nil, port.to_i) if method == 'pop3s'
pop3.set_debug_output($stderr)
pop3.read_timeout = 20

text = pop3.start('test@example.com', password) { |session| session.mails[0].pop }

File.binwrite(message, text)
