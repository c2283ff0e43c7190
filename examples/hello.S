# The guest of examples/hello.igvm: says hello on the first serial port and halts.
# 32-bit protected mode, flat segments, loaded at 0x100000. Assemble and look at it:
#   as --32 -o hello.o hello.S && objdump -d hello.o
    .code32
    .globl _start
_start:
    mov     $message, %esi
    mov     $0x3f8, %dx
next:
    lodsb
    test    %al, %al
    jz      done
    out     %al, %dx
    jmp     next
done:
    hlt
    jmp     done
message:
    .asciz  "Hello from IGVM\n"
