using Pascl.Training.Interop;

namespace Pascl.Tests.Training.Interop;

[Platform("Linux")]
public sealed class ElfImageTests
{
    private static readonly byte[] Shim = File.ReadAllBytes(NativeLibTorch.EnsureLoaded().ShimPath);

    [Test]
    public void the_one_version_of_which_no_symbol_is_used_becomes_optional_once()
    {
        var image = new ElfImage([.. Shim]);
        Assert.Multiple(() =>
        {
            Assert.That(image.MakeUnusedVersionNeedsOptional(), Is.EqualTo(1));
            Assert.That(image.MakeUnusedVersionNeedsOptional(), Is.Zero);
        });

        var changed = Enumerable.Range(0, Shim.Length).Where(i => Shim[i] != image.Bytes[i]).ToArray();
        Assert.That(changed, Has.Length.EqualTo(1), "one flag, and nothing else");
    }

    [Test]
    public void required_symbols_are_those_that_a_relocation_refers_to()
    {
        var required = new ElfImage(Shim).RequiredSymbols().ToArray();
        Assert.Multiple(() =>
        {
            Assert.That(required, Has.Length.GreaterThan(1200).And.Member("_ZN2at15set_num_threadsEi"));
            Assert.That(required, Has.No.Member("_ZSt21ios_base_library_initv"), "of a version that older systems lack, and never used");
            Assert.That(required, Is.Unique);
        });
    }

    [Test]
    public void damaged_bytes_are_refused_or_read_but_never_read_outside()
    {
        var random = new Random(1);
        var refused = 0;
        for (var round = 0; round < 300; round++)
        {
            var bytes = Shim[..(round % 3 == 0 ? random.Next(Shim.Length) : Shim.Length)];
            for (var flips = 0; flips < 20 && bytes.Length > 0; flips++)
            {
                // Half of the damage goes to the header, whose fields say where everything else is.
                bytes[random.Next(flips % 2 == 0 ? Math.Min(64, bytes.Length) : bytes.Length)] = (byte)random.Next(256);
            }

            try
            {
                var image = new ElfImage(bytes);
                _ = image.RequiredSymbols().Count();
                _ = image.MakeUnusedVersionNeedsOptional();
            }
            catch (BadImageFormatException)
            {
                refused++;
            }
        }

        Assert.That(refused, Is.GreaterThan(100));
    }

    [Test]
    public void a_complete_library_is_accepted() =>
        Assert.That(() => ElfImage.CheckComplete(NativeLibTorch.EnsureLoaded().ShimPath), Throws.Nothing);
}
